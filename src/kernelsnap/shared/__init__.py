"""What several parts need and none owns. Imports no other part."""
