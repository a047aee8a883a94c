"""`majolica data filter`: chooses rows of metadata by rules, without duplicates, reproducibly.

A budget is met to the row.

The work is cut in tasks that any process or machine may do, and each is done once (see `work`):

1. scan: each stretch of the input is read once. Every row gets the first reason to go, or none; the
   rows without a reason are written in the order of the documented hash of their URL (`hash_order`).
2. urls: each bucket, which is a range of that hash over everything that step 1 wrote, loses its
   repeated URLs.
3. keys, pictures, near, sites, settle: repeated and similar pictures, and caps on domains. These
   run only where the configuration asks for them, and read a few columns alone.
4. write: each bucket is written to its place in the output.
"""
