"""The explore app: a map, filters and a grid of a data set's images, with what people and runs say of each.

    web.py       what the entry script hands to `st.App`: the page, and the routes (bytes for map, grid and colours,
                 JSON for one image)
    state.py     the collection that this process serves, what was asked of it last, what colours say of its images
    page.py      the script that Streamlit runs: filters, search, selections, and the component
    client/      map, grid and the one large image: plain ES modules and a stylesheet

What is shown is a `View` of `affectml.exploring`, and stands in the address. The script and the browser each change
parts of it; whatever is as long as the data set goes over the routes, so that a rerun of the script stays small.
"""
