"""Pictures with labels, of ImageNet or of the user, and the mathematics of classifying and finding them."""
