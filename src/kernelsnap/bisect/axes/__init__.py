"""The axes that a case can be bisected along, and the checkouts and environments that they need."""
