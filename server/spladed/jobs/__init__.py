"""Files in, files out: how good are these rows on judged questions, and vectors as files.

In: a folder with a corpus, queries and judgements. Out: an `Evaluation` (measures, sizes,
speed), runs in TREC's format, per-query lines, and whether two runs really differ.

    compressed  lines of a file, plain, .gz or .zst; the only import of zstandard
    read        texts and judgements out of lines; a bad line is named by file:line
    dataset     a folder of the three, and parts of it
    run         ranked documents of each query: the room's currency
    measures    nDCG@10, RR@10, R@100; the only import of ir_measures
    bm25        the bar to beat; the only import of bm25s and Stemmer
    splade      a run of a bundle: encode, then search exactly
    trec        runs as files, out and in
    paired      do two systems differ? (pure)
    evaluate    the room's face
    vectors     sparse vectors in six file formats, in and out

It may import the encoder, the index and the foundation. It must not know the wire, the
client, the command line, or how anything is printed.
"""
