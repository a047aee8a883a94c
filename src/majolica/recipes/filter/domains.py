"""Domains that the recipes for web-crawled metadata leave out, and how much of one they take."""

from __future__ import annotations

from majolica.config.filter import DomainRule

# The public pictures of these agencies are previews with a mark across them, and a watermark score misses many of them.
# Remove an agency from the list if you have a licence.
STOCK_AGENCIES = (
    "123rf.com",
    "agefotostock.com",
    "alamy.com",
    "bigstockphoto.com",
    "canstockphoto.com",
    "depositphotos.com",
    "dreamstime.com",
    "gettyimages.com",
    "istockphoto.com",
    "shutterstock.com",
    "vectorstock.com",
)

# The cap prevents that one shop or pinboard decides what the model sees. opt_out_files has no default, because such
# lists change daily: download yours again and give it with --rules.domain.opt-out-files.
WEB = DomainRule(blocked=STOCK_AGENCIES, cap=1_000_000, cap_by="host")
