"""A shop of three pages: what visitors look at, who they are once they sign in, and what they buy.

GROUPAROO_URL=http://127.0.0.1:8000 GROUPAROO_KEY=… flask --app shop run --port 5000
"""

import os
import uuid

import grouparoo
from flask import Flask, Response, g, redirect, request
from markupsafe import escape
from werkzeug.wrappers import Response as AnyResponse

app = Flask(__name__)
grouparoo.init(os.environ["GROUPAROO_KEY"], os.environ["GROUPAROO_URL"])


@app.before_request
def know_the_visitor() -> None:
    """The device has an id from its first visit on; the user is known after the sign-in."""
    g.device = request.cookies.get("device") or str(uuid.uuid4())
    g.user = request.cookies.get("user")  # an app of yours has a session that can't be forged


@app.after_request
def remember_the_device(response: Response) -> Response:
    """In a cookie of the first party."""
    response.set_cookie("device", g.device, max_age=365 * 86_400, httponly=True, samesite="Lax")
    return response


@app.get("/")
def home() -> str:
    """A page that somebody looks at."""
    campaign = {name: value for name, value in request.args.items() if name.startswith("utm_")}
    grouparoo.page({"path": request.path, **campaign}, user_id=g.user, anonymous_id=g.device)
    return f"Welcome, {escape(g.user or 'whoever you are')}!"


@app.post("/sign-in")
def sign_in() -> AnyResponse:
    """From here on the device and the user are one person, with all that was seen before."""
    user = request.form["user"]
    grouparoo.identify(user, {"plan": "free"}, anonymous_id=g.device)
    response = redirect("/")
    response.set_cookie("user", user, httponly=True, samesite="Lax")
    return response


@app.post("/buy")
def buy() -> str:
    """The order's number makes the messageId: however often the form is sent, it is one purchase."""
    order, total = request.form["order"], float(request.form["total"])
    data = {"order": order, "total": total}
    grouparoo.track("purchase", user_id=g.user, anonymous_id=g.device, data=data, message_id=f"order-{order}")
    return "Thank you!"
