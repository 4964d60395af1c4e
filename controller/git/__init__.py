"""Git without a checkout: bare mirrors of sources, and what stands in their commits."""
