"""The labelling app: several labels per image, at typing speed, never a wrong or lost one.

    task.py         what may stand after `streamlit run relabel.py --`; a data set and its label store, opened once
    web.py          what the entry script hands to `st.App`: the page, and the routes
    identity.py     who somebody is, and what and how much they may do: names, signed tokens, leads
    messages.py     what a browser sends: bytes in, plain values out, each answer judged by itself
    sync.py         one exchange with a browser: answers in, receipts and the next images out
    queries.py      the few questions to the store's tables that its own interface does not answer
    component.py    what a browser is told at the start: labels in somebody's order and language
    speaking.py     in which language somebody is spoken to
    lead.py         what the lead's pages compute
    backups.py      backups on the task's schedule
    pages/          what Streamlit draws; navigation.py is its script
    study/          what it draws of a study, from the door to the code
    client/         the page's own part in the browser: plain ES modules and a stylesheet

The browser owns the selection, the clock and a queue of images; answers travel by a route beside Streamlit's own,
because widget state loses keys at typing speed (benchmarks/README.md has the measurements). Who may call, and how
pictures are converted, is the same in every app: `affectml_apps.serving`, `affectml_apps.pictures`.
"""
