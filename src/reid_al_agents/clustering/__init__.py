"""Groups of images, formed by visual similarity and by answers."""
