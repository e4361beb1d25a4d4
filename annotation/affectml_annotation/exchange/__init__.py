"""Judgements in and out: tables, JSON lines, Label Studio, and affectml's own data sets."""
