"""What a working tree would come to, seen before it is a commit: no hub, no network, the code that the hub runs."""
