"""Looking at shards: what is measured, what is found twice, and the page that shows it."""
