"""The demo data set: abstract paintings whose truth is known, because our own code made it up.

    streams.py     a random stream for each purpose; the training stream that no demo seed can reach
    feelings.py    where a painting stands among the emotion words, and the true rate of each label there
    panels.py      groups of people, and where each has its words: the textbook's panel and the local one
    painting.py    from a feeling to a look (light, colour, shapes, clutter), from a look to pixels
    annotators.py  twelve simulated people with biases of their own, whose mean is the truth
    captions.py    what people might write under a painting
    models.py      what three simulated models answer
    write.py       all of it as an ordinary data set folder

It is a test of machinery, not a benchmark: no figure measured on it says anything about people.
"""

from affectml.demo_set.write import write_demo

__all__ = ["write_demo"]
