"""People's data: what they are asked for, what a run knows of them, and how somebody is erased from all of it.

labelling.py  a labelling task of a data set
known.py      what a by-person run knows of its people, in a file beside the run
erasing.py    a person out of a data set, and out of what runs learned of them
"""
