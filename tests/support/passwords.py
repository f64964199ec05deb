"""A password with every character that means something in a URL."""

from urllib.parse import quote

PASSWORD = "p@ss:/w?r#d %25+&=[,]ü"
QUOTED = quote(PASSWORD, safe="")
