"""A study: what a person goes through, from consent to payment, all from one file.

`file` is study.yaml, `translation` its words in another language, `check` what it lacks, `visits` the way through,
`pay` who is due what. Functions over a LabelStore.
"""
