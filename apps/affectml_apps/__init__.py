"""The Streamlit pages of affectml: they draw and call; what is right is decided in plain functions beside them."""
