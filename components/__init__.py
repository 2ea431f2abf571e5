"""Components of the pipeline, one file each, named as TFX names them. They share artifacts, not code paths."""
