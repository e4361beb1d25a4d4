"""Pictures of results: written as SVG inside pages, and drawn by matplotlib as files for papers.

    charts.py    pictures inside pages: systems and labels with intervals, labels by labels, said against seen, curves
    paper.py     pictures as files: a map over an image, how exact studies are

A module draws what it is given and computes nothing. The same figures give the same bytes.
"""
