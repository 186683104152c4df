"""Django, in one file: ``python django_app.py runserver``; the platform pushes to ``/voice``.

In a project of yours take the view ``voice``, its line in ``urlpatterns`` and the limit.
"""

import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from statuspush.receiver import Receiver

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="only-for-this-example",
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=8 * 1024 * 1024,  # 2.5 MiB by default
)
receiver = Receiver("sqlite:///inbox.db")


@receiver.on_report
def called(report):
    """Runs in a thread after the report is stored and acknowledged."""
    print(f"{report.sid} {report.status} {report.mobile_e164} {report.time}", flush=True)


@csrf_exempt  # the platform has no cookie of ours
def voice(request):
    """A push: stored when :meth:`accept` returns."""
    answer = receiver.accept(
        request.body,
        request.headers,
        method=request.method,
        path=request.path,
        client=request.META["REMOTE_ADDR"],
    )
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)


def home(request):
    """The rest of the application."""
    return HttpResponse("pushes go to /voice")


urlpatterns = [path("voice", voice), path("", home)]
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
