"""What Streamlit draws. Each page calls the library and shows what came back."""
