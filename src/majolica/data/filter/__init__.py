"""`majolica data filter` chooses rows of metadata by rules, without duplicates, to an exact number, reproducibly.

The work is divided into tasks that any process or machine may do, and that are done once (see `work`):

1. scan: each stretch of the input is read once, and each row gets the first reason to leave it out, if there is one.
   The other rows are written in the order of the documented hash of their URLs (`order`).
2. urls: each bucket, which is a range of that hash over all of step 1, loses its repeated URLs.
3. pictures, near, hosts, settle: these run only if they are asked for, and on a few columns.
4. write: each bucket is written to its place in the output.
"""
