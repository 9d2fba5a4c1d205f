from __future__ import annotations

from pathlib import Path

import pytest

from spladed.errors import InvalidInput, NotFound
from spladed.rpc.key_file import Key, digest, new_key, read_keys, to_toml


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def test_what_is_made_is_read_back(file: Path) -> None:
    secrets = [new_key(), new_key()]
    keys = [
        Key("reader", digest(secrets[0]), frozenset({"read"})),
        Key("all_of-it", digest(secrets[1]), frozenset({"read", "write", "admin"}), 7, 2.5),
    ]
    file.write_text("\n".join(map(to_toml, keys)))
    found = read_keys(str(file))
    assert [found.find(secret) for secret in secrets] == keys
    assert found.find(keys[0].sha256) is None, "a hash is no key"
    assert found.find("") is None
    assert found.find("schlüssel\udcff") is None
    assert secrets[0] not in file.read_text()


def test_a_key_has_256_bits_and_no_two_are_the_same() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key.removeprefix("spladed_")) == 43 and key.isascii() for key in keys)


def test_a_key_stands_as_long_as_its_name_and_scopes_do(file: Path) -> None:
    key = Key("a", digest("k"), frozenset({"read"}), 1)
    file.write_text(to_toml(key).replace("max_in_flight = 1", "max_in_flight = 2"))
    assert read_keys(str(file)).has(key)
    for other in ("[a]", key.sha256, '"read"'):
        text = to_toml(key).replace(other, {"[a]": "[b]", '"read"': '"write"'}.get(other, "0" * 64))
        file.write_text(text)
        assert not read_keys(str(file)).has(key), text


def test_no_keys_let_nobody_in(file: Path) -> None:
    file.write_text("# all withdrawn\n")
    assert len(read_keys(str(file))) == 0


SHA = "0" * 64
BAD = {
    "x": "is not TOML",
    "a = 1": "a: expected a table",
    '["a b"]': "'a b': a name is",
    "[a]": "a.sha256: expected 64 hexadecimal digits",
    '[a]\nsha256 = "spladed_secret"': "a.sha256: expected 64 hexadecimal digits",
    f'[a]\nsha256 = "{SHA}"': "a.scopes: expected a list of read, write, admin",
    f'[a]\nsha256 = "{SHA}"\nscopes = []': "a.scopes: expected a list",
    f'[a]\nsha256 = "{SHA}"\nscopes = ["root"]': "a.scopes: expected a list",
    f'[a]\nsha256 = "{SHA}"\nscopes = [["read"]]': "a.scopes: expected a list",
    f'[a]\nsha256 = "{SHA}"\nscopes = ["read"]\nmax = 1': "a: unknown max; expected max_in_flight",
    f'[a]\nsha256 = "{SHA}"\nscopes = ["read"]\nmax_in_flight = true': "a.max_in_flight: expected",
    f'[a]\nsha256 = "{SHA}"\nscopes = ["read"]\nmax_in_flight = 0.5': "a.max_in_flight: expected",
    f'[a]\nsha256 = "{SHA}"\nscopes = ["read"]\ntexts_per_second = -1': "a.texts_per_second",
    f'[a]\nsha256 = "{SHA}"\nscopes = ["read"]\ntexts_per_second = nan': "a.texts_per_second",
    f'[a]\nsha256 = "{SHA}"\nscopes = ["read"]\n[b]\nsha256 = "{SHA}"\nscopes = ["read"]': "two",
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_file_is_named_without_what_may_be_a_key(text: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        read_keys(str(file))
    assert str(file) in caught.value.message
    assert BAD[text] in caught.value.message
    assert "secret" not in caught.value.message
    assert (caught.value.reason, caught.value.field) == ("API_KEYS", "security.api_keys")


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(NotFound, match=r"keys\.toml"):
        read_keys(str(file))
