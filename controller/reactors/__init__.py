"""What turns events and reports into the next decision; each looks at the whole state whenever it is signalled."""
