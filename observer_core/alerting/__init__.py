"""What everything that alerts by itself has in common: the message.

Invariant: nothing here sends or waits; who delivers, and how often it tries, is the sender's own.
"""

from observer_core.alerting.slack import Attachment, Colour, slack_message

__all__ = ["Attachment", "Colour", "slack_message"]
