"""A page of HTML, read, for tests of what it shows."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Its tags with their attributes, and its words."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert [] == self._open, "all that is opened is closed"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data.strip())

    def meta(self, name):
        return next(one["content"] for tag, one in self.tags if tag == "meta" and one.get("http-equiv") == name)
