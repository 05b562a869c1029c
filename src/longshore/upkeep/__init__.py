"""This package keeps the store in order: due jobs become pending, lost ones are rescued, old ones are pruned."""
