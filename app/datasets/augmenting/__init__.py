"""Random changes of whole batches of training images: geometry, colours, and mixing of images."""
