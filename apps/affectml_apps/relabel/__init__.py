"""The labelling app: several labels per image, at typing speed, never a wrong or lost one.

    options.py      what may stand after `streamlit run relabel.py --`
    task.py         a data set and its label store, opened once per process
    people.py       who somebody is: names, signed tokens, consent, leads
    queries.py      the few questions to the store's tables that its own interface does not answer
    items.py        what a browser is told of an image, and what it is not
    messages.py     what a browser sends: bytes in, plain values out, each answer judged by itself
    sync.py         one exchange with a browser: answers in, receipts and the next images out
    allowance.py    how much one person may send
    backups.py      backups on the task's schedule
    finding.py      names as people type them: without accents, in any case
    suggestions.py  what a model suggests, computed once
    verify.py       "is this label reasonable for this image?" as a task of its own
    web.py          the routes
    pages/          what Streamlit draws
    study/          what it draws of a study, from the door to the code
    client/         the page's own part in the browser: plain ES modules and a stylesheet

The browser owns the selection, the clock and a queue of images; answers travel by a route beside Streamlit's own,
because widget state loses keys at typing speed (benchmarks/README.md has the measurements). Who may call, and how
pictures are converted, is the same in every app: `affectml_apps.serving`, `affectml_apps.pictures`.
"""
