"""Judgements in and out: tables, JSON lines, Label Studio, Hugging Face folders, and affectml's own data sets."""
