"""Read models: the world and what the clusters said, as a person or a script wants to see it.

Every view says as of when it holds, and names the event it rests on (I11). A cluster that nobody hears from is Unknown,
whatever it was when it was heard last.
"""
