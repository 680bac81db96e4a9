"""The only folder that says "mlflow": points of series, registered versions, and the client.

The tables are the record; what is here can be lost and made again.
"""
