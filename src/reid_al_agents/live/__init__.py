"""People answer while the model learns: the engine behind the annotation page and the terminal."""
