"""What follows from the events: constraints, match model, suspected errors, audit and stop rule."""
