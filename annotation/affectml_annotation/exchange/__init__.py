"""Judgements in and out: tables, JSONL, Label Studio, Hugging Face folders, and affectml's own data sets."""
