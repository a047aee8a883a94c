"""`majolica data filter`: rows of metadata chosen by rules, without duplicates, to an exact number, reproducibly.

The work is cut in tasks that any process or machine may do, and that are done once (see `work`):

1. scan: each stretch of the input is read once, each row gets the first reason to go or none; the rest is written
   in the order of the documented hash of its URL (`order`).
2. urls: each bucket, a range of that hash over all of step 1, loses its repeated URLs.
3. pictures, near, hosts, settle: only where asked for, on a few columns.
4. write: each bucket is written to its place in the output.
"""
