"""The page of a study: what a participant sees, from the door to the code. The rules are affectml_annotation's."""
