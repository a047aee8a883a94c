"""Download the pictures of rows with URLs, and pack them into shards, politely, safely and resumably."""
