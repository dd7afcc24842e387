"""Documents beside images: JSON, XML, lists, and their encodings."""
