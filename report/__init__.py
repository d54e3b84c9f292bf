"""From finished runs to the answer: statistics, sentences, figures and the page."""
