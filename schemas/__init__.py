"""Every XML shape that Goniec reads or writes, and the catalogue that compiles them."""
