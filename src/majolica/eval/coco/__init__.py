"""FID on MS-COCO: the annotations, the list of prompts, and the reference features."""
