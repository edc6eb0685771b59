"""Images in folders or tables: what there is, whether it can be read, and what two splits share."""
