"""A study: what a person goes through, from consent to payment, all from one file.

`file` is study.yaml, `folder` what lies beside it, `check` what it lacks, `terms` what people are told of it, `door`
and `visits` the way through, `screen` what somebody sees there, `pay` who is due what. Functions over a LabelStore.
"""
