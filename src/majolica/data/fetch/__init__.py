"""From rows with URLs to shards of pictures: polite, guarded, resumable."""
