"""Texts for people and objects for programs: facts become structures, structures become words.

A structure is a :class:`broadcast.message.Message`, or the object of ``--json``. Words are made at
the very end, by the :class:`broadcast.views.texts.Texts` of one language. The command line, and
whatever else speaks to people, hands values of ``broadcast`` over; nothing here reads a database,
an environment or a clock.
"""
