"""What happens to an event, in the order it happens: decoded, matched against journeys, decided, told.

Pure: no input or output, no clock, no chance. `operators.key_group` says in which order the parts are called;
definitions of journeys and their compiler are here too. Imports `state`, and never `flows`.
"""
