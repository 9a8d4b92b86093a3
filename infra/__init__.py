"""The data centre as code: derives every resource from the catalogue; never imports migration."""
