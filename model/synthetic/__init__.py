"""The synthetic infant: body, motion, renderer and labelled data sets. Not built yet."""
