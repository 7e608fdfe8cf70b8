"""The pages for operators: every command in them is run, and shows what the page says."""
