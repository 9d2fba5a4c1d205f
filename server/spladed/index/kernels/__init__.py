"""The index room's loops, compiled. Each file is one kind of loop; see `compiled`.

Importing one imports and compiles them all, so that whoever has one waits for no compiler.
"""

from importlib import import_module
from pkgutil import iter_modules

from spladed.index.kernels.compiled import compile_all

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
compile_all()
