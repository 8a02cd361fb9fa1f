"""Which rows came: rows that were sent again, and rows that stopped coming."""
